"""What a lead definition means, and how good one is: pure functions, the same for everybody.

Qualify scores leads by it, feedback learns a better one and judges it on leads that were answered.
A document that two services read differently would be no contract, so its meaning stands here, next
to the condition language, and not in either of them (docs/adr/0014).

``definition`` compiles a document, ``rules`` holds the four forms of a criterion, ``scoring``
scores one lead and says why, ``differences`` puts two documents side by side in words,
``documents`` reads and writes them as text, ``facts`` says what they may look at, ``intervals``
holds the bounds of shares. ``table``, ``table_scoring`` and ``figures`` do the same for a hundred
thousand leads at once; they need numpy, so only processes of their own import them.
"""
