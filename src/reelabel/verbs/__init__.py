"""The verbs that stand beside the flow: what is done with a workspace from outside."""
