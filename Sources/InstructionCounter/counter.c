int apus_placeholder;
