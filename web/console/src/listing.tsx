import { RotateCw } from 'lucide-react';
import { type ReactNode, useId } from 'react';

interface ListingProps {
  title: string;
  /** A narrow page shows what was chosen from it instead. */
  isBehind: boolean;
  refresh: () => void;
  isReading?: boolean;
  problem: { message: string; wantsKey: boolean; lacksScope?: boolean } | null;
  /** Opens the settings, where the key's field is. */
  enterKey: () => void;
  children: ReactNode;
}

/** A panel from which one is chosen: its head, and what is wrong. */
export function Listing(props: ListingProps) {
  const { title, isBehind, refresh, isReading, problem, enterKey, children } = props;
  const titleId = useId();
  return (
    <section
      className="panel listing"
      aria-labelledby={titleId}
      data-behind={isBehind ? true : undefined}
    >
      <header className="panel-head">
        <h2 id={titleId}>{title}</h2>
        <button
          type="button"
          className="icon"
          title="Look again"
          aria-label="Look again"
          disabled={isReading}
          onClick={refresh}
        >
          <RotateCw aria-hidden="true" />
        </button>
      </header>
      <div className="panel-body">
        {problem && (
          <p className="problem row" role="alert">
            {problem.message}
            {problem.wantsKey && (
              <button type="button" onClick={enterKey}>
                Enter {problem.lacksScope ? 'another' : 'the'} key
              </button>
            )}
          </p>
        )}
        {children}
      </div>
    </section>
  );
}
