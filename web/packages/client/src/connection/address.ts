/** Where the API's doors are. Pure. */

/** `base` (as `https://host/v1`, or `/v1` of the page's own server) with a path and a query. */
export function endpoint(
  base: string,
  path: string,
  query: Record<string, string | undefined> = {},
): URL {
  const url = new URL(base, globalThis.location?.href);
  url.pathname = [url.pathname.replace(/\/+$/, ''), path].filter(Boolean).join('/');
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

export function webSocketEndpoint(
  base: string,
  path: string,
  query: Record<string, string | undefined>,
): URL {
  const url = endpoint(base, path, query);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  return url;
}
