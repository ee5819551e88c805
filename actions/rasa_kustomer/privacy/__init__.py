"""What of a customer's words and data may be kept: masked before it is stored."""
