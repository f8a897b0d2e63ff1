"""What every route of Duck shares: from an HTTP request to a call of a Dify app, and back as a stream."""
