"""HTTP to Dify's Service API: the client, its failures, and what is read of its replies."""
