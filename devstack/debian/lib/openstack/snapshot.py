"""snapshot.py take|restore FILE CLIENT.CNF "TABLE…" DATABASE…

Keeps the rows of all tables of some databases in a file, and brings them back in one transaction. A table whose checksum
is what it was is not touched; neither are the named ones (database.table).
"""

import pickle
import sys

import pymysql


def checksums(cursor, databases, left_alone):
    cursor.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN %s", (databases,))
    found = cursor.fetchall()
    tables = [f"`{schema}`.`{table}`" for schema, table in found if f"{schema}.{table}" not in left_alone]
    cursor.execute("CHECKSUM TABLE " + ", ".join(tables))
    # They come back as database.table, in the order of the question.
    return dict(zip(tables, (checksum for _, checksum in cursor.fetchall())))


def take(cursor, path, databases, left_alone):
    kept = {}
    for table, checksum in checksums(cursor, databases, left_alone).items():
        cursor.execute(f"SELECT * FROM {table}")
        kept[table] = (checksum, [column[0] for column in cursor.description], cursor.fetchall())
    with open(path, "wb") as file:
        pickle.dump(kept, file)


def restore(cursor, path, databases, left_alone):
    with open(path, "rb") as file:
        kept = pickle.load(file)
    changed = [t for t, checksum in checksums(cursor, databases, left_alone).items() if checksum != kept[t][0]]
    cursor.execute("SET foreign_key_checks = 0")
    for table in changed:
        _, columns, rows = kept[table]
        cursor.execute(f"DELETE FROM {table}")
        if rows:
            names, marks = (", ".join(words) for words in (map("`{}`".format, columns), ["%s"] * len(columns)))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
    print("restored", *changed)


def main():
    action, path, config, left_alone, *databases = sys.argv[1:]
    connection = pymysql.connect(read_default_file=config, charset="utf8mb4")
    with connection, connection.cursor() as cursor:
        {"take": take, "restore": restore}[action](cursor, path, databases, set(left_alone.split()))
        connection.commit()


if __name__ == "__main__":
    main()
