"""How a failure is named in a log: by class and place, never by a message that may quote a customer."""


def describe_error(error: BaseException) -> str:
    """Class of an error and the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return f"{type(error).__name__} at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
