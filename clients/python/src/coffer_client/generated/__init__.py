"""Made by proto/generate.sh."""
