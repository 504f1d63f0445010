/** Values as a program would write them. Pure. */

export interface Syntax {
  words: Record<'true' | 'false' | 'null', string>;
  indent: string;
  key: (name: string) => string;
}

export const PYTHON: Syntax = {
  words: { true: 'True', false: 'False', null: 'None' },
  indent: '    ',
  key: (name) => JSON.stringify(name),
};

export const JAVASCRIPT: Syntax = {
  words: { true: 'true', false: 'false', null: 'null' },
  indent: '  ',
  key: (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)),
};

const WIDTH = 80;

/** A value that JSON can hold. `depth`: how far the line it begins on is indented. */
export function literal(value: unknown, syntax: Syntax, depth = 0): string {
  if (value === null || typeof value === 'boolean') {
    return syntax.words[`${value}` as keyof Syntax['words']];
  }
  // JSON's escapes are those of Python and JavaScript too.
  if (typeof value !== 'object') return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const parts = (inner: number) =>
    Array.isArray(value)
      ? value.map((part) => literal(part, syntax, inner))
      : Object.entries(value)
          .filter(([, part]) => part !== undefined)
          .map(([name, part]) => `${syntax.key(name)}: ${literal(part, syntax, inner)}`);
  const short = `${open}${parts(depth).join(', ')}${close}`;
  if (short.length <= WIDTH - depth * syntax.indent.length && !short.includes('\n')) return short;
  const pad = syntax.indent.repeat(depth + 1);
  const lines = parts(depth + 1).map((part) => `${pad}${part},\n`);
  return `${open}\n${lines.join('')}${syntax.indent.repeat(depth)}${close}`;
}
