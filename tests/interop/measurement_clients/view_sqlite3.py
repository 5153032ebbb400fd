"""Python's sqlite3 on the file of measurements: everything of each table, as a program prints it that has no idea of who wrote it.

    view_sqlite3.py FILE TABLE…      prints {table: rows} as JSON
"""

import json
import sqlite3
import sys


def main(file, *tables):
    connection = sqlite3.connect(file)
    rows = {}
    for table in tables:
        cursor = connection.cursor()
        cursor.execute(f"SELECT * from {table}")
        names = [column[0] for column in cursor.description]
        rows[table] = [dict(zip(names, row)) for row in cursor.fetchall()]
    print(json.dumps(rows))


main(*sys.argv[1:])
