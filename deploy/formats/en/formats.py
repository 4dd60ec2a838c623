"""How English pages write days and times: the month as a word, since 3/4 is two days, and 24 hours."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y H:i"
