# Migrations under traffic, with virt-relay
BENCH_FORM=with
. "$VR_SRC/tests/bench/migrations.sh"
