"""What speaks with the outside: sources of market data, webhooks, and the breakers around them."""
