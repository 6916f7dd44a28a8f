"""Bedrock's Converse, of a provider."""
