"""Conversations that another server of the Realtime protocol holds."""
