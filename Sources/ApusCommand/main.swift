import ArgumentParser
print("apus")
