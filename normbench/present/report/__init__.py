"""A comparison -> everything that answers it: tables, document, figures."""
