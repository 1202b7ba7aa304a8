"""Pure alerting: conditions, states, decisions and messages. No driver, framework, logging or clock in here.

The way of one evaluation, with the module that does each step:

    rule = parse_rule(body)                          # rule.py, parse.py: ConditionError has the fault's path
    for leaf in leaves(rule.condition): ...          # condition.py: what has to be read; the caller reads it
    readings = {leaf: {labels: Reading(...)}}        # reading.py: no leaf, or None: could not be read
    verdicts = judge(rule.condition, readings, now=now, since=later_of_rule_and_agent_creation,
                     phases={labels: state.phase})   # judge.py: {labels: Evaluation}
    for labels, evaluation in verdicts.items():
        state, event = step(states.get(labels, AlertState()), evaluation, rule.timing)      # state.py
    due_at = next_due(rule.condition, states.values(), readings, now=now, interval=tick, since=...)  # due.py
    for target, reach in recipients(...).items():    # policy.py: whom the rule and its escalation address now
        decide(now=now, firing=..., heard=..., ...)  # policy.py: why notify now, or what withholds it
    group(pending)                                   # grouping.py: one message per group
    retry_at(...)                                    # backoff.py: when to send again, None: dead

A label set is a sorted tuple of (name, value) pairs, `Labels`; `()` is the set of a leaf that has no `by`.
"""
