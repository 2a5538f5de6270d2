/**
 * What the objects need to know of the configuration. The Workers' index makes it of the parsed
 * environment.
 */
export type RunnerSettings = {
  tickEnabled: boolean;
  tickIntervalMs: number;
  /** IANA zone for cadences that name none */
  timeZone: string;
  locale: string;
  /**
   * how a step is written that waits for a decision: 'staged' is left alone by the existing app,
   * 'planned' is carried out by it unasked
   */
  openStatus: 'planned' | 'staged';
  llm: LlmSettings;
  grants: GrantSettings;
  /** null: no research before planning */
  research: { baseUrl: string; serviceKey: string | null } | null;
};

/**
 * `privateKeysPem` null: no grant can be opened here. `modelIsLocal`: grants for local models alone
 * may be used.
 */
export type GrantSettings = {
  privateKeysPem: string | null;
  jwksUrl: string;
  modelIsLocal: boolean;
};

export type LlmSettings = {
  baseUrl: string;
  model: string;
  apiKey: string | null;
  maxConcurrency: number;
  timeoutMs: number;
  maxTokens: number;
  maxTools: number;
  /**
   * as configured; the Dispatcher knows better if a local server passes its model on to another
   * host
   */
  locality: 'local' | 'remote';
};
