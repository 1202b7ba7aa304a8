"""How people answer alerts: by the API, by buttons in Slack, by links in mails."""
