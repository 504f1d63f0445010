/** Two voices that answer each other. */
export function Mark() {
  return (
    <svg viewBox="0 0 28 28" width="28" height="28" aria-hidden="true" className="mark">
      <path className="mark-user" d="M4 11v6M9 7v14" />
      <path d="M14 3v22" />
      <path className="mark-agent" d="M19 7v14M24 11v6" />
    </svg>
  );
}
