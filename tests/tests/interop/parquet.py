# Prints the rows of the Parquet files below a folder as JSON lines, read by one of three programs: ENGINE FOLDER.
# Times are milliseconds since 1970; what is not known is left out.
import json, sys
from datetime import datetime


def pyarrow_table(folder):
    from pyarrow import dataset
    return dataset.dataset(folder, format="parquet", partitioning="hive").to_table()


def duckdb_table(folder):
    import duckdb
    rows = duckdb.sql(f"SELECT * FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)")
    return rows.to_arrow_table()


def chdb_table(folder):
    import chdb
    return chdb.query(f"SELECT * FROM file('{folder}/date=*/hour=*/*.parquet', Parquet)", "ArrowTable")


def plain(value):
    if isinstance(value, datetime):
        assert value.utcoffset().total_seconds() == 0, value
        return round(value.timestamp() * 1000)
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, (int, str)) else str(value)


engine, folder = sys.argv[1:]
for row in {"pyarrow": pyarrow_table, "duckdb": duckdb_table, "chdb": chdb_table}[engine](folder).to_pylist():
    print(json.dumps({name: plain(value) for name, value in row.items() if value is not None}))
