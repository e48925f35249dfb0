/// A 64-bit little-endian ELF file.
public struct ELFFile {
}
