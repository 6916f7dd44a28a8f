"""What other tools' logs hold, record by record: pure functions from one record to one call.

Each module knows one tool, in every version of it that is in use: fields are taken by name, missing ones are tolerated,
and a field of a wrong kind rejects the record with a reason that holds no content. They know no files and no ledger.
"""
