/** Fields of a message or a call that only its own server understands, as it wrote them. */
export type Extras = Record<string, unknown>;

/** A call as the model made it. `arguments` is the text that it sent, meant to be that of a JSON object. */
export type ToolCall = { id: string; name: string; arguments: string; extras?: Extras };

/** What goes back to `server` (base URL and model) with the message that had it, and to nobody else. */
export type MessageExtras = { server: string; fields: Extras };

/** The history of a plan; plain JSON, so that it can be stored between rounds. */
export type ChatMessage =
  | { role: 'system' | 'user'; content: string }
  | { role: 'assistant'; content: string; toolCalls: ToolCall[]; extras?: MessageExtras }
  | { role: 'tool'; toolCallId: string; content: string };

/**
 * Tokens as the provider counted them; null where it is silent. `cachedTokens`: those of the prompt that it did not have to read
 * anew; absent where it does not tell.
 */
export type Usage = {
  promptTokens: number | null;
  completionTokens: number | null;
  cachedTokens?: number;
};

/** One answer of the model. `content` holds no thoughts; it is '' where the model only calls tools. */
export type LlmAnswer = {
  content: string;
  toolCalls: ToolCall[];
  usage: Usage;
  finishReason: string | null;
  extras?: MessageExtras;
};
