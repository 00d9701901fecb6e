"""The report: one document of an organisation at an instant, as HTML and as PDF, with a seal and a number.

In the order of reading: ``content`` says what stands in it, ``number`` what leads back to the service,
``html`` and ``typesetting`` how it looks, ``seal`` who made it. No HTTP in here: pages call it.
"""
