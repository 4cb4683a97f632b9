#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""switchover-table.py ROWS: the rows of switchover.sh as a Markdown table"""
import json
import sys

rows = [json.loads(line) for line in open(sys.argv[1]) if line.strip()]


def spread(values):
    values = sorted(v for v in values if v is not None)
    if not values:
        return "-"
    return ", ".join(f"{v:.0f}" for v in (values[len(values) // 2], values[(len(values) - 1) * 99 // 100], values[-1]))


print("| lossless | packets/s | migrations (failed) | sent | lost | before the stop, guest too slow | no room in the guest's socket | duplicated, most in one | reordered | ledger: lost, duplicated at most "
      "| waited at the target, least | gap less QEMU's pause, ms | STOP to flip, us | critical section, us | memory, KiB |")
print("|" + "---|" * 15)
for key in dict.fromkeys((r["form"], r["rate"]) for r in rows):
    all_of = [r for r in rows if (r["form"], r["rate"]) == key]
    mine = [r for r in all_of if "failed" not in r and (key[1] == "bulk" or r.get("lost") is not None)]
    of = lambda name: [r[name] for r in mine if r.get(name) is not None]
    if key[1] == "bulk":
        packets = f"{sum(of('bytes')) // 2**20} MiB there and back | - | - | - | - ({sum(of('retransmitted'))} segments sent again) | -"
    else:
        # what was early may also have been what overflowed
        lost = sum(max(0, r["lost"] - max(r["early"], r["overflowed"])) for r in mine)
        packets = f"{sum(of('sent'))} | {lost} | {sum(of('early'))} | {sum(of('overflowed'))} | {sum(of('duplicated'))}, {max(of('duplicated'), default='-')} | {sum(of('reordered'))}"
    print(f"| {key[0]} | {key[1]} | {len(mine)} ({len(all_of) - len(mine)}) | {packets} | {sum(of('ledger_lost'))}, {sum(of('ledger_duplicates'))} | {min(of('waited'), default='-')} | "
          f"{spread([r['gap_ms'] - r['pause_ms'] for r in mine if r.get('pause_ms') is not None and r.get('gap_ms') is not None])} | {spread(of('stop_to_flip_us'))} | "
          f"{spread(of('critical_us'))} | {max(of('memory'), default=0) // 1024} |")
print("\nTimes: median, p99, most.")
for failed in dict.fromkeys(r["failed"] for r in rows if "failed" in r):
    print(f"Failed, {sum(r.get('failed') == failed for r in rows)}: {failed}")
