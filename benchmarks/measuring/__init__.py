"""What the benchmarks of grading share.

standalone   a function of the course as the text of a learner's cell
answers      answers to an exercise: right, wrong, raising, blank, slow, printing
tree         run a command and account for the CPU time of its whole process tree
floor        the least that grading costs: a fork, the cells, the questions
"""
