"""``python main.py --source FILE --table TABLE``: a row a user, top category, longest streak."""

from etls.aggregates.command import main

if __name__ == "__main__":
    main()
