"""What a model says that does not know, and questions for which that is the right answer."""

UNANSWERABLE = "unanswerable"  # the kind of questions that the documents do not answer
REFUSALS = (
    "don't know", "do not know", "doesn't know", "not know", "not sure", "no information",
    "don't have any information", "don't have information", "unable to", "can't say", "cannot say",
    "can't tell", "cannot tell", "can't answer", "cannot answer", "not aware", "not familiar",
    "never heard", "haven't heard", "no record", "unknown", "doesn't exist", "does not exist",
    "isn't mentioned", "not mentioned", "no knowledge", "can't find", "cannot find",
    "couldn't find", "could not find", "do not say", "does not say", "don't say", "doesn't say",
    "not stated", "isn't stated",
)  # fmt: skip
