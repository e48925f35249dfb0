extension ARM64Reading {
  var text: String { "" }
}
