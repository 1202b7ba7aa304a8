"""Pure alerting: conditions, states, decisions and messages. No driver, framework, logging or clock in here."""
