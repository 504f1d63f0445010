import { useEffect, useState } from 'react';

export interface Model {
  id: string;
  /** What answers to this name, in a sentence; not every server tells. */
  description?: string;
}

/** Those that the server tells of; none where it does not. */
export function useModels(url: string, key: string): readonly Model[] {
  const [models, setModels] = useState<readonly Model[]>([]);
  useEffect(() => {
    const life = new AbortController();
    const headers: HeadersInit = key ? { Authorization: `Bearer ${key}` } : {};
    fetch(`${url}/models`, { headers, signal: life.signal })
      .then((answer) => (answer.ok ? answer.json() : { data: [] }))
      .then(({ data }) => setModels(data))
      .catch(() => {});
    return () => life.abort();
  }, [url, key]);
  return models;
}
