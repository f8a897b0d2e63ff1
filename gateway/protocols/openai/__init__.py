"""OpenAI's protocols: Chat Completions, Responses and Models (protocols sections 3 and 4)."""
