import { api, ApiError } from './api.ts';

export type Effect = 'create' | 'change' | 'delete' | 'publish' | 'spend';

/** A tool as GET /api/v1/tools describes it; `parameters` is JSON Schema. */
export type Tool = {
  name: string;
  module: string;
  kind?: string;
  description: string;
  effect?: Effect;
  appOnly?: boolean;
  parameters: {
    properties?: Readonly<Record<string, { type?: string; enum?: string[]; description?: string }>>;
    required?: string[];
  };
};

let catalog: Promise<ReadonlyMap<string, Tool>> | undefined;

/** The tools by name; empty where the server does not tell them. */
export function tools(): Promise<ReadonlyMap<string, Tool>> {
  catalog ??= api<{ tools: Tool[] }>('/api/v1/tools').then(
    (answer) => new Map(answer.tools.map((tool) => [tool.name, tool])),
    (thrown: unknown) => {
      catalog = undefined;
      if (thrown instanceof ApiError) return new Map<string, Tool>();
      throw thrown;
    },
  );
  return catalog;
}
