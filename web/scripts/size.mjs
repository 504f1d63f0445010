// How much a page loads for a bundle, compressed: `node size.mjs FILE LIMIT_KB`.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const [file, limitKb] = process.argv.slice(2);
const kb = gzipSync(readFileSync(file), { level: 9 }).length / 1000;
console.log(`${file}: ${kb.toFixed(1)} kB gzipped (limit ${limitKb} kB)`);
if (kb > Number(limitKb)) process.exit(1);
