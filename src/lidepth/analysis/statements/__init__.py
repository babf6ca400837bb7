"""What a campaign says of how its cell ages: statements with odds."""
