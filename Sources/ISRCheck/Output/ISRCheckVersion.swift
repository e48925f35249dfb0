/// The version of the checker, as commands and reports tell it.
public enum ISRCheckVersion {
  public static let current = "0.1.0"
}
