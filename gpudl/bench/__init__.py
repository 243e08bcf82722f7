"""How fast gpudl is on the devices of a machine: what `gpudl bench` measures, writes and compares.

    record = measure(["ops"], ["cpu"])          # plain values, as --json prints them
    print(as_text(tables(record)))

A case is one operation or network on inputs of given sizes, in parts: forward, backward, an optimizer's step, a copy.
Each part is run until the median of its times is steady (timing.py), beside what the machine can do (limits.py).
Of other cases the peak of memory is what counts (memory_cases.py), the time until a network has learned enough
(end_to_end_cases.py), or the batch from which a GPU is faster than the CPU (crossover.py).
"""

from gpudl.bench.baseline import against as against
from gpudl.bench.measuring import measure as measure
from gpudl.bench.printing import as_markdown as as_markdown
from gpudl.bench.printing import as_text as as_text
from gpudl.bench.printing import tables as tables
from gpudl.bench.record import RecordError as RecordError
from gpudl.bench.record import read_record as read_record
