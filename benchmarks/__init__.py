"""What Flask-Loop costs, beside the same API written by hand: ``python -m benchmarks``.

Three WSGI apps serve the same 10,000 products over the same wire, each from a database of its own:

* ``driver``: a hand-written Flask view, the database's driver and orjson (floor 1);
* ``core``: a hand-written Flask view, SQLAlchemy Core, Marshmallow and ``jsonify`` (floor 2);
* ``loop``: one model and ``Loop(app, url_prefix="/api")``.

They are first asked the same questions and must give the same answers, in all values and all
refusals. Then each is called in this process, with no server and no client in the measure, and the
CPU time of the process is read around each batch of requests. See :mod:`benchmarks.workload` for
how to read the first table and :mod:`benchmarks.startup` for the second. The benchmarks assert
nothing about speed.
"""
