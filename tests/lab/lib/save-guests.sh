# Boots guests and keeps their state for the VM (LAB_SAVE: GUEST:HOST ...)
for pair in $LAB_SAVE; do
  g=${pair%:*} h=${pair#*:}
  boot "$g" "$h"
  virsh_on "$h" save "$g" "$LAB_RUN/$g.save" > /dev/null
  mv "$LAB_RUN/$g.save" "$(saved_guest "$g" "$h")"
done
