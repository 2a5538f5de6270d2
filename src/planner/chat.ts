/** A call as the model made it. `arguments` is the text that it sent, meant to be that of a JSON object. */
export type ToolCall = { id: string; name: string; arguments: string };

/** The history of a plan; plain JSON, so that it can be stored between rounds. */
export type ChatMessage =
  | { role: 'system' | 'user'; content: string }
  | { role: 'assistant'; content: string; toolCalls: ToolCall[] }
  | { role: 'tool'; toolCallId: string; content: string };

/** Tokens as the provider counted them; null where it is silent. */
export type Usage = { promptTokens: number | null; completionTokens: number | null };

/** One answer of the model. `content` holds no thoughts; it is '' where the model only calls tools. */
export type LlmAnswer = {
  content: string;
  toolCalls: ToolCall[];
  usage: Usage;
  finishReason: string | null;
};
