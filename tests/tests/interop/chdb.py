# Runs the statements of a JSON file (a list of [statement, data]) in ClickHouse's engine, and prints the result of the last one.
import json, sys
from chdb import session

here = session.Session()
answer = None
for statement, data in json.load(open(sys.argv[1])):
    answer = here.query(statement + "\n" + data)
sys.stdout.write(str(answer))
