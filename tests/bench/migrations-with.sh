# Migrations under traffic, with virt-relay
BENCH_FORM=with
boot d h1
. "$VR_SRC/tests/bench/migrations.sh"
