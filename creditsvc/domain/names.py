"""Names as they are searched: bigrams, which work for Chinese and Latin alike and on two characters."""

import unicodedata

SHORTEST_QUERY = 2
LONGEST_QUERY = 100


def normal(name: str) -> str:
    """Reduce a name to what search compares: width, case, accents and punctuation don't matter."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    kept = (
        character if character.isalnum() else " "
        for character in decomposed
        if not unicodedata.combining(character)
    )
    return " ".join("".join(kept).split())


def grams(name: str) -> frozenset[str]:
    """Give the pairs of neighbouring characters within each word; a word of one character is itself."""
    found: set[str] = set()
    for word in normal(name).split():
        if len(word) == 1:
            found.add(word)
        found.update(word[i : i + 2] for i in range(len(word) - 1))
    return frozenset(found)


def reason(query: str, name: str) -> str:
    """Say why a name that shares all of a query's bigrams matches it."""
    asked, borne = normal(query), normal(name)
    if borne == asked:
        return "exact"
    if borne.startswith(asked):
        return "starts-with"
    if asked in borne:
        return "contains"
    return "contains-parts"
