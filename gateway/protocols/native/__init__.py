"""Duck's own protocol: `/chat`, `/workflow` and `/completion` (docs: the README's "Routes")."""
