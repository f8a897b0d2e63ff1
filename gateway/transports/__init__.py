"""How a call reaches Dify."""
