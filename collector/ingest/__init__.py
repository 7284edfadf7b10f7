"""What nodes send: checked, stored, acknowledged; and the orders that go down to them."""
