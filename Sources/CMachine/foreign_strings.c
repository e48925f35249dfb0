// Swift's String may be one of Objective-C's, "foreign" to the library: UTF-16, in pieces, reached by
// messages. An image has none, but each interpolation of a string brings the functions for them, 7 KB with
// all that they use. One that traps takes their place; the names are those of the library's binary
// interface. In a release of Swift where one of them is called otherwise, the image is larger again, and
// nothing else.
#if __STDC_HOSTED__ == 0

__attribute__((noreturn)) void apus_foreign_string(void) { __builtin_trap(); }

#define ABSENT(function, name) \
  extern void function(void) __asm__(name) __attribute__((alias("apus_foreign_string")))

// An index that another string's UTF-16 had, in a string of UTF-8.
ABSENT(apus_match_encoding, "$es11_StringGutsV27_slowEnsureMatchingEncodingySS5IndexVAEF");
ABSENT(apus_foreign_align, "$es11_StringGutsV18foreignScalarAlignySS5IndexVAEF");
ABSENT(apus_foreign_after, "$eSS8UTF8ViewV13_foreignIndex5afterSS0D0VAF_tF");
ABSENT(apus_foreign_before, "$eSS8UTF8ViewV13_foreignIndex6beforeSS0D0VAF_tF");
ABSENT(apus_foreign_offset, "$eSS8UTF8ViewV13_foreignIndex_8offsetBySS0D0VAF_SitF");
ABSENT(apus_foreign_count, "$eSS8UTF8ViewV13_foreignCountSiyF");
ABSENT(apus_foreign_distance, "$eSS8UTF8ViewV16_foreignDistance4from2toSiSS5IndexV_AGtF");
ABSENT(apus_foreign_byte, "$eSS8UTF8ViewV17_foreignSubscript8positions5UInt8VSS5IndexV_tF");
#endif
