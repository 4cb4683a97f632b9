# virsh migrate --xml with what docs/log.md warns of: an XML without virt-relay's metadata, and one from before a try that failed (flavours.sh has a right one)
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "d carries a token" has_token d h1
xml=$LAB_RUN/d.xml
titled() { virsh_on "$1" dumpxml --migratable d | sed "s|<name>d</name>|&<title>$2</title>|"; }
title_is() { [ "$(virsh_on "$1" desc d --title)" = "$2" ]; }

titled h1 bare | sed '/<metadata>/,/<\/metadata>/d' > "$xml"
expect_fail "this one has no metadata" grep -q token= "$xml"
migrate_start d h1 h3 --xml "$xml"
expect_soon "d is being copied" migrating d h1
expect_soon "h1 says at once why h3 is not believed, and the cure" says h1 "lacks virt-relay's metadata? Make that from what virsh dumpxml --migratable d says"
expect_ok "d is h1's still" record_is d owner h1
expect_ok "the migration succeeds all the same" migrate_end
expect_ok "h3 has that XML" title_is h3 bare
expect_owner d h3
expect_ok "s reaches d on h3" reaches s d 30

expect_soon "d carries a token again" has_token d h3
old=$(token_of d h3)
titled h3 old > "$xml"
migrate_start d h3 h1
expect_soon "d is being copied" migrating d h3
expect_soon "h1 announced it" record_is d incoming h1
abort d h3
expect_fail "virsh says that it was aborted" migrate_end
expect_soon "d carries another token" eval 'has_token d h3 && [ "$(token_of d h3)" != "$old" ]'
migrate_start d h3 h1 --xml "$xml"
expect_soon "d is being copied" migrating d h3
expect_soon "h3 says that the XML is old, and the cure" says h3 "from before its last migration or try? Make that anew from what virsh dumpxml --migratable d says"
expect_ok "the migration succeeds all the same" migrate_end
expect_ok "h1 has that XML" title_is h1 old
expect_owner d h1
expect_ok "s reaches d at home" reaches s d 30
expect cleartext -eq 0
