"""Who may call: keys, tokens, tickets, lockouts, rates, and the audit of what they did."""
