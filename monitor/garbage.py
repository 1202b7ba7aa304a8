"""How the collector of reference cycles is set, for processes that make many objects and few cycles."""

import gc


def settle() -> None:
    """Keep it off what lives as long as the process, and off the hot paths. Called once everything is started.

    A batch makes thousands of tuples and no cycles: with the defaults it sets off collections that walk the whole
    program, some of them for a tenth of a second; they were a third of what assembling traces cost.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
