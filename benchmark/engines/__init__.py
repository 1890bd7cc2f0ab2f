"""Where runs are executed. Every engine has the same three verbs: submit, poll, cancel."""
